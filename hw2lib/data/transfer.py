"""A download over HTTP that goes on where it broke off."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from hw2lib.errors import UserError

TRIES, RETRY_SECONDS, TIMEOUT_SECONDS = 100, 1.0, 60
_CHUNK = 1 << 16

Report = Callable[[int, int | None], None]


class Unavailable(UserError):
    """The address does not give the file: nobody answers, or with an error, or with something else."""


def resume(url: str, part: Path, limit: int, size: int | None = None, report: Report | None = None) -> None:
    """Complete the file ``part``, asking only for the bytes it does not have yet (RFC 9110, Range).

    A connection that breaks after new bytes have come is taken up again after a second. A server that knows
    no ranges sends everything anew. Whether the bytes are the right ones, the caller's checksum says.

    Args:
        url: http or https address.
        part: what earlier calls left, or a file that does not exist yet.
        limit: the most bytes the file may have.
        size: the bytes it will have, where that is known.
        report: called with the bytes that are here and the bytes in all (None where nobody says).

    Raises:
        Unavailable: it is no address, the server cannot be reached, answers with an error or a web page, or
            breaks its ranges.
        UserError: ``part`` is not a plain file, or the server sends more than ``limit``.
    """
    import requests
    from requests.exceptions import ChunkedEncodingError, SSLError

    if part.is_symlink() or (part.exists() and (not part.is_file() or part.stat().st_nlink > 1)):
        raise UserError(f"{part}: is not a plain file of its own; remove it")
    misfits = 0
    for attempt in range(TRIES):
        before = _size(part)
        try:
            if _continue(url, part, limit, size, report):
                return
            misfits += 1
            if misfits > 1:
                raise Unavailable(f"{url}: the server goes on at another byte than it is asked for")
        except SSLError as error:
            raise Unavailable(f"{url}: the server's certificate cannot be verified") from error
        except (requests.ConnectionError, requests.Timeout, ChunkedEncodingError) as error:
            here = _size(part)
            if here <= before or attempt == TRIES - 1:
                if here:
                    reason = f"connection lost after {here:,} bytes; the same command goes on from there"
                else:
                    reason = "cannot be reached; is there a network?"
                raise Unavailable(f"{url}: {reason}") from error
        except (requests.RequestException, ValueError) as error:
            raise Unavailable(f"{url}: is no address to download from ({error})") from error
        time.sleep(RETRY_SECONDS)


def _continue(url: str, part: Path, limit: int, size: int | None, report: Report | None) -> bool:
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
            raise Unavailable(f"{url}: the server answers {said}; --url takes another address")
        if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise Unavailable(f"{url}: the server sends a web page, not the archive")
        here, total = first, total or size
        with open(part, "ab" if first else "wb", opener=_not_through_links) as file:
            for chunk in answer.iter_content(_CHUNK):
                here += len(chunk)
                if max(here, total or 0) > limit:
                    part.unlink()
                    raise UserError(f"{url}: larger than the {limit:,} bytes expected; the file was removed")
                file.write(chunk)
                if report:
                    report(here, total)
    if total is not None and here < total:
        raise requests.ConnectionError("the connection closed early")
    return True


def _not_through_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


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
