"""Authentication and authorization of requests over HTTP."""

from starlette.requests import Request as HttpRequest

from missionops.domain import access
from missionops.domain.access import Caller, Role
from missionops.errors import Forbidden, Unauthenticated, Unavailable
from missionops.http import response
from missionops.http.response import HttpResponse
from missionops.operations import dispatch
from missionops.operations.authentication import Tokens
from missionops.operations.dispatch import ErrorResponse

_NO_TOKEN = "A token is needed, in the header `Authorization: Bearer …`; `missionops tokens create` makes one."  # noqa: S105 - this is none


_MOST_NAME = 256


class Authorization:
    """Admits every caller where there are no tokens, otherwise only callers with a valid token.

    With a header for it, a proxy before the service has authenticated the caller and names the user there.
    """

    def __init__(self, tokens: Tokens | None, user_header: str | None = None) -> None:
        self._tokens = tokens
        self._user_header = user_header

    @property
    def is_open(self) -> bool:
        """Whether no token is needed."""
        return self._tokens is None

    async def admit(self, request: HttpRequest, role: Role) -> Caller | HttpResponse:
        """The caller, if the token has at least `role`; otherwise the response that refuses the request."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else None
        try:
            if self._tokens is None:
                caller = Caller(self._user(request), Role.ADMIN) if self._user_header else access.OVER_OPEN_HTTP
            elif token is None:
                raise Unauthenticated(_NO_TOKEN)  # noqa: TRY301 - answered below, like a token that is not valid
            else:
                caller = await self._tokens.caller(token)
        except Unauthenticated as error:
            return response.unauthenticated(dispatch.refusal(error), is_shown=token is not None)
        except Unavailable as error:
            return response.failed(ErrorResponse(error.status, error.code, str(error)))
        if caller.role.includes(role):
            return caller
        refusal = Forbidden(f"This needs the role {role}, and the token {caller.name} has the role {caller.role}.")
        return response.failed(dispatch.refusal(refusal))

    def _user(self, request: HttpRequest) -> str:
        """The user that the proxy names; Unauthenticated if it names none."""
        names = request.headers.getlist(self._user_header or "")
        name = names[0].encode("latin-1").decode("utf-8", "replace").strip() if len(names) == 1 else ""
        is_taken = name.partition(":")[0] in access.WITHOUT_TOKEN
        if not name or len(name) > _MOST_NAME or not name.isprintable() or is_taken:
            raise Unauthenticated(
                f"The proxy has to name the user, once, in the header {self._user_header}: a name of 1 to {_MOST_NAME} "
                f"printable characters, not {' or '.join(access.WITHOUT_TOKEN)}."
            )
        return name

    async def admit_to_whole(self, request: HttpRequest, role: Role) -> Caller | HttpResponse:
        """The same for what concerns the whole service, which a token limited to some spacecraft may not see."""
        caller = await self.admit(request, role)
        if isinstance(caller, HttpResponse) or caller.spacecraft is None:
            return caller
        refusal = Forbidden(f"This is about all spacecraft, and the token {caller.name} is limited to some.")
        return response.failed(dispatch.refusal(refusal))
