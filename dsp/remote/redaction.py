"""Keeps keys out of every text that a person or a file may see."""

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit, urlunsplit

from dsp.errors import UsageError

_KEY = re.compile(r"\b(sk|rk|gsk|xai|hf)[-_][A-Za-z0-9_*.\-]{8,}")
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets, however they are encoded, and without anything that looks like a key."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in _forms(secret):
            text = text.replace(form, "[key]")
    text = _USERINFO.sub("", text)
    text = _BEARER.sub(lambda found: f"{found.group(1)} [key]", text)
    return _KEY.sub(lambda found: f"{found.group(1)}-[key]", text)


def _forms(secret: str) -> list[str]:
    """The secret as it stands, URL-encoded and in base64."""
    raw = secret.encode("utf-8", errors="surrogatepass")
    forms = {secret, quote(secret, safe=""), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return sorted((form.rstrip("=") for form in forms if len(form) >= 4), key=len, reverse=True)


def split_base_url(url: str) -> tuple[str, str]:
    """A base URL without credentials, without a slash at its end, and its credentials as `user:password` or ''.

    Raises UsageError for what is no http(s) address, or has a query or fragment: a key could hide there.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{redacted(url)!r} is no base URL; write one like http://127.0.0.1:8000/v1")
    if parts.query or parts.fragment:
        raise UsageError(f"the base URL of {host} has a query or fragment; give the address alone, the key by itself")
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port is None else f"{shown}:{port}"
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", "")), credentials
