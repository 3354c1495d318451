"""Where a cluster takes jobs: its dashboard, and whether what answers there is one.

Ray itself would wait without end at a port that takes connections and says nothing.
"""

import http.client
import json
import os
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from pipeline.storage.errors import UserError

DEFAULT = "http://127.0.0.1:8265"
_SECONDS = 20.0
_FIX = "Give the head node's dashboard: --address http://HOST:8265, or RAY_API_SERVER_ADDRESS."


def dashboard_address(given: str | None) -> str:
    """Of --address, else of Ray's variables, else this machine's. Raises UserError for another kind."""
    named = {
        "--address": given,
        "RAY_API_SERVER_ADDRESS": os.environ.get("RAY_API_SERVER_ADDRESS"),
        "RAY_ADDRESS": os.environ.get("RAY_ADDRESS"),
    }
    name, address = next(((name, text) for name, text in named.items() if text), ("", DEFAULT))
    if "://" not in address and name != "RAY_ADDRESS":
        address = f"http://{address}"
    parts = urlsplit(address)
    if parts.username or parts.password:
        raise UserError(
            f"{name}: give the address without user and password; a token goes into RAY_AUTH_TOKEN."
        )
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable:
        raise UserError(f"{name} {address} is no address of a dashboard. {_FIX}")
    return address.rstrip("/")


def check_dashboard(address: str) -> bool:
    """Whether the cluster there wants a token. Raises UserError where nothing answers, or another program."""
    try:
        with urllib.request.urlopen(f"{address}/api/version", timeout=_SECONDS) as answer:
            is_ray = "ray_version" in json.loads(answer.read(1 << 16))
    except urllib.error.HTTPError as refused:
        text = refused.read(1000)
        if refused.code in (401, 403) and b"authentication token" in text:
            return True
        raise UserError(_another(address, f"it says {refused.code} {refused.reason}")) from None
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ConnectionResetError | http.client.HTTPException):
            raise UserError(_another(address, "it speaks no HTTP")) from None
        raise UserError(f"nothing answers at {address}: {reason}. {_FIX}") from None
    except TimeoutError:
        raise UserError(f"{address} takes connections and does not answer. {_FIX}") from None
    except (OSError, http.client.HTTPException):
        raise UserError(_another(address, "it speaks no HTTP")) from None
    except ValueError:
        is_ray = False
    if not is_ray:
        raise UserError(_another(address, "another program's page"))
    return False


def _another(address: str, what: str) -> str:
    return f"what listens at {address} is not the dashboard of a Ray cluster: {what}. {_FIX}"
