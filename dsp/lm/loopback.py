"""Questions to the server that the embedded runtime opens on this machine's loopback address."""

import http.client
import json
from collections.abc import Mapping

from dsp.types import JSON

_SECONDS = 10.0


def post(address: str, api_key: str, path: str, body: Mapping[str, JSON]) -> tuple[int, bytes]:
    """Status and body of one answer. Raises OSError or HTTPException where there is none."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
