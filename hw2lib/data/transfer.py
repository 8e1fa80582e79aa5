"""A download over HTTP that goes on where it broke off."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from hw2lib.errors import UserError

TRIES, RETRY_SECONDS, TIMEOUT_SECONDS = 100, 1.0, 60
_CHUNK = 1 << 16

Report = Callable[[int, int | None], None]


def resume(url: str, part: Path, limit: int, report: Report | None = None) -> None:
    """Complete the file ``part``, asking only for the bytes it does not have yet (RFC 9110, Range).

    A connection that breaks after new bytes have come is taken up again at once. A server that knows no
    ranges sends everything anew. Whether the bytes are the right ones, the caller's checksum says.

    Args:
        url: http or https address.
        part: what earlier calls left, or a file that does not exist yet.
        limit: the most bytes the file may have.
        report: called with the bytes that are here and the bytes in all (None where the server is silent).

    Raises:
        UserError: the server cannot be reached, answers with an error, or sends more than ``limit``.
    """
    import requests
    from requests.exceptions import ChunkedEncodingError, SSLError

    for attempt in range(TRIES):
        before = _size(part)
        try:
            if _continue(url, part, limit, report):
                return
            continue
        except SSLError as error:
            raise UserError(f"{url}: the server's certificate cannot be verified") from error
        except (
            requests.ConnectionError,
            requests.Timeout,
            ChunkedEncodingError,
        ) as error:
            here = _size(part)
            if here <= before or attempt == TRIES - 1:
                if here:
                    reason = f"connection lost after {here:,} bytes; the same command goes on from there"
                else:
                    reason = "cannot be reached; is there a network?"
                raise UserError(f"{url}: {reason}") from error
        except requests.RequestException as error:
            raise UserError(f"{url}: {str(error).splitlines()[0]}") from error
        time.sleep(RETRY_SECONDS)


def _continue(url: str, part: Path, limit: int, report: Report | None) -> bool:
    """Take up the download once; False where what was here did not fit and has been removed."""
    import requests

    start = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        first, total = _range(answer)
        if answer.status_code == 416 and total == start > 0:
            return True
        misfit = answer.status_code == 416 or (answer.status_code == 206 and first != start)
        if misfit and start:
            part.unlink()
            return False
        if misfit or answer.status_code not in (200, 206):
            said = f"{answer.status_code} {answer.reason}".strip()
            raise UserError(f"{url}: the server answers {said}; --url takes another address")
        here = first
        with part.open("ab" if first else "wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                here += len(chunk)
                if max(here, total or 0) > limit:
                    file.close()
                    part.unlink()
                    raise UserError(f"{url}: larger than the {limit:,} bytes expected; the file was removed")
                file.write(chunk)
                if report:
                    report(here, total)
    if total is not None and here < total:
        raise requests.ConnectionError("the connection closed early")
    return True


def _range(answer) -> tuple[int, int | None]:
    """First byte and full length of what the server is about to send."""
    if answer.status_code in (206, 416):
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if not match:
            return -1, None
        first, total = match.groups()
        return int(first or 0), None if total == "*" else int(total)
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
