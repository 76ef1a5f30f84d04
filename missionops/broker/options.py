"""The settings of NATS as the options that nats-py's `connect` takes."""

import ssl
from typing import Any

from missionops.errors import SetupError
from missionops.settings import NatsAccess


def options(access: NatsAccess) -> dict[str, Any]:
    """Servers, TLS and the one kind of credentials that is set; SetupError if a file does not hold what it should."""
    # Bad key files are refused now: nats-py would fail on them each time it connects, with less clear messages.
    if access.nats_nkey_file:
        import nkeys  # noqa: PLC0415 - only for users that have one

        try:
            nkeys.from_seed(bytearray(access.nats_nkey_file.read_bytes().strip())).wipe()
        except (nkeys.NkeysError, ValueError):
            raise SetupError(f"MISSIONOPS_NATS_NKEY_FILE holds no nkey's seed: {access.nats_nkey_file}.") from None
    if access.nats_credentials_file:
        text = access.nats_credentials_file.read_bytes()
        if b"BEGIN NATS USER JWT" not in text or b"BEGIN USER NKEY SEED" not in text:
            raise SetupError(f"MISSIONOPS_NATS_CREDENTIALS_FILE holds no credentials: {access.nats_credentials_file}.")
    found = {
        "servers": [url.strip() for url in access.nats_url.split(",")],
        "user": access.nats_user,
        "password": access.nats_password.get_secret_value() if access.nats_password else None,
        "token": access.nats_token.get_secret_value() if access.nats_token else None,
        "nkeys_seed": str(access.nats_nkey_file) if access.nats_nkey_file else None,
        "user_credentials": str(access.nats_credentials_file) if access.nats_credentials_file else None,
        "tls": tls(access),
        "tls_handshake_first": access.nats_tls_first,
        "inbox_prefix": access.inbox_prefix,
    }
    return {name: value for name, value in found.items() if value is not None}


def tls(access: NatsAccess) -> ssl.SSLContext | None:
    """The TLS that the settings ask for; None leaves it to the server, and to the certificates of the system."""
    if not (access.nats_ca_file or access.nats_cert_file or access.nats_tls_first):
        return None
    try:
        context = ssl.create_default_context(cafile=access.nats_ca_file)
    except ssl.SSLError as error:
        raise SetupError(f"MISSIONOPS_NATS_CA_FILE holds no certificates: {error.reason or error}.") from None
    if access.nats_cert_file and access.nats_key_file:
        try:
            context.load_cert_chain(access.nats_cert_file, access.nats_key_file)
        except ssl.SSLError as error:
            names = "MISSIONOPS_NATS_CERT_FILE and MISSIONOPS_NATS_KEY_FILE"
            raise SetupError(f"{names} are no certificate and its key: {error.reason or error}.") from None
    return context
