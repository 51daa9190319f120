"""Questions to the CryoET Data Portal's GraphQL API, asked again where the answer did not come."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import requests

from copick_picker._version import __version__
from copick_picker.errors import ProjectError

logger = logging.getLogger(__name__)

PORTAL_URL = "https://graphql.cryoetdataportal.czscience.com/graphql"
"""Where the portal's own Python client asks too; a test holds the two together."""
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
TIMEOUT_SECONDS = (10.0, 120.0)
"""To connect, and between two packets of an answer."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP states that may be gone a moment later."""


class PortalClient:
    """Asks the portal; counts what was asked.

    Parameters
    ----------
    url : str
        Address of the GraphQL API.

    Attributes
    ----------
    queries : int
        Questions asked so far, repetitions not counted.
    """

    def __init__(self, url: str = PORTAL_URL) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"copick-picker/{__version__}"
        self.queries = 0

    def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data of the answer.

        Parameters
        ----------
        query : str
            GraphQL document.
        variables : dict
            Its variables.

        Raises
        ------
        ProjectError
            If the portal cannot be reached, keeps failing, refuses the query or does not answer
            in its own format.
        """
        self.queries += 1
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 1)
                logger.info("the CryoET Data Portal: %s; retrying in %.1f s", why, wait)
                time.sleep(wait)
            data, why = self._once(query, variables)
            if data is not None:
                return data
        msg = f"the CryoET Data Portal did not answer in {ATTEMPTS} attempts: {why} ({self._url})"
        raise ProjectError(msg)

    def _once(self, query: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """Return (data, "") or (None, why it may be worth asking again)."""
        body = {"query": query, "variables": dict(variables)}
        try:
            answer = self._session.post(self._url, json=body, timeout=TIMEOUT_SECONDS)
        except requests.Timeout:
            return None, "it took too long"
        except requests.RequestException as error:
            return None, f"it cannot be reached ({_short(error)})"
        if answer.status_code in PASSING:
            return None, f"HTTP {answer.status_code}"
        try:
            content = answer.json()
        except requests.JSONDecodeError:
            return None, f"HTTP {answer.status_code} with an answer that is not JSON"
        if not isinstance(content, dict):
            return None, f"its answer is a {type(content).__name__}, not an object"
        errors, data = content.get("errors"), content.get("data")
        if errors or answer.status_code >= 400:
            msg = f"the CryoET Data Portal rejected a query: {_words(errors, answer.status_code)}"
            raise ProjectError(msg)
        if not isinstance(data, dict):
            return None, "its answer contains no data"
        return data, ""


def _words(errors: object, status: int) -> str:
    first = errors[0] if isinstance(errors, list) and errors else errors
    text = first.get("message") if isinstance(first, dict) else first
    return " ".join(str(text or f"HTTP {status}").split())


def _short(error: BaseException) -> str:
    """Return the innermost reason: what requests wraps names our own addresses several times."""
    reason: BaseException = error
    while True:
        inner = getattr(reason, "reason", None) or next(
            (item for item in reason.args if isinstance(item, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            break
        reason = inner
    words = " ".join(str(reason.args[-1] if reason.args else reason).split())
    return words or type(reason).__name__
