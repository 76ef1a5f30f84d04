"""Who asks over HTTP, and whether he may."""

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


class Authorization:
    """Lets everyone in where there are no tokens, and else their bearers alone."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who he is."""
        return self._tokens is None

    async def admit(self, request: HttpRequest, role: Role) -> Caller | HttpResponse:
        """Whoever asks for what needs a role, or why he may not."""
        try:
            caller = await self._caller(request)
        except Unauthenticated as error:
            return response.unauthenticated(dispatch.refusal(error), is_shown=_shown(request) is not None)
        except Unavailable as error:
            return response.failed(ErrorResponse(error.status, error.code, str(error)))
        if caller.role.includes(role):
            return caller
        refusal = Forbidden(f"This needs the role {role}, and the token {caller.name} has the role {caller.role}.")
        return response.failed(dispatch.refusal(refusal))

    async def admit_to_whole(self, request: HttpRequest, role: Role) -> Caller | HttpResponse:
        """The same for what is about the whole service, which whoever is limited to some spacecraft does not see."""
        caller = await self.admit(request, role)
        if isinstance(caller, HttpResponse) or caller.spacecraft is None:
            return caller
        refusal = Forbidden(f"This is about all spacecraft, and the token {caller.name} is limited to some.")
        return response.failed(dispatch.refusal(refusal))

    async def _caller(self, request: HttpRequest) -> Caller:
        if self._tokens is None:
            return access.OVER_OPEN_HTTP
        shown = _shown(request)
        if shown is None:
            raise Unauthenticated(_NO_TOKEN)
        return await self._tokens.caller(shown)


def _shown(request: HttpRequest) -> str | None:
    """The token that a request shows."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else None
