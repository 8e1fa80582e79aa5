"""hw2lib.data.unpack: archives that are refused, each within a bounded memory."""

import lzma
import tarfile
import tracemalloc
import zipfile
import zlib

import pytest
from faults import cases
from test_unpack import FILES, declared, link, octal_header, pax, tar_of, tar_with, unpacked, zip_of

import hw2lib.data.unpack
from hw2lib.errors import UserError


def zip_link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, 0o120777 << 16
    return member


LONG = octal_header("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"00000000012") + b"capsule/x\0".ljust(
    512, b"\0"
)
ENTRY = link("capsule/x", tarfile.REGTYPE, "").tobuf()
SPARSE = octal_header("capsule/x", tarfile.GNUTYPE_SPARSE, b"0")


def dictionary_of_4_gb(content: bytes) -> bytes:
    """The same xz file, but for the size of the dictionary that its block's header asks for."""
    size = (content[12] + 1) * 4
    header = bytearray(content[12 : 12 + size])
    assert header[2:4] == b"\x21\x01"  # the filter LZMA2 with one byte of properties
    header[4] = 40
    header[-4:] = zlib.crc32(header[:-4]).to_bytes(4, "little")
    return content[:12] + bytes(header) + content[12 + size :]


REFUSED = {
    "xz-dictionary": (
        "A compressed archive that asks for 4 GB of memory.",
        "A tar.xz whose header says that its dictionary has 4 GB.",
        dictionary_of_4_gb(tar_of({"capsule/zeros": bytes(3_000_000)})),
        "Memory usage limit exceeded",
    ),
    "xz-second-dictionary": (
        "A compressed archive that asks for 4 GB of memory later on.",
        "The second of two joined xz streams says that its dictionary has 4 GB.",
        lzma.compress(tar_of(FILES, "w")[:-1024]) + dictionary_of_4_gb(lzma.compress(bytes(3_000_000))),
        "Memory usage limit exceeded",
    ),
    "zip-lzma": (
        "A zip of another compression, which may ask for 4 GB of memory.",
        "A zip entry compressed by LZMA.",
        zip_of(FILES, zipfile.ZIP_LZMA),
        "compressed in a rare way",
    ),
    "tar-parent": (
        "A name that leaves the folder.",
        "A tar entry capsule/../../escaped.",
        tar_of(FILES | {"capsule/../../escaped": b"x"}),
        "leaves the folder",
    ),
    "tar-absolute": (
        "An absolute name.",
        "A tar entry /escaped.",
        tar_of(FILES | {"/escaped": b"x"}),
        "leaves the folder",
    ),
    "tar-symlink": (
        "A symbolic link.",
        "A link among the entries of a tar.",
        tar_of(FILES, extra=link("capsule/link", tarfile.SYMTYPE, "train")),
        "is a link",
    ),
    "tar-hardlink": (
        "A hard link.",
        "A hard link among the entries of a tar.",
        tar_of(FILES, extra=link("capsule/link", tarfile.LNKTYPE, "capsule/license.txt")),
        "is a link",
    ),
    "tar-fifo": (
        "A pipe.",
        "A named pipe among the entries of a tar.",
        tar_of(FILES, extra=link("capsule/pipe", tarfile.FIFOTYPE, "")),
        "a device",
    ),
    "tar-device": (
        "A device.",
        "A character device among the entries of a tar.",
        tar_of(FILES, extra=link("capsule/null", tarfile.CHRTYPE, "")),
        "a device",
    ),
    "tar-twice": (
        "A name twice.",
        "Two tar entries of one name.",
        tar_of(FILES, extra=tarfile.TarInfo("capsule/license.txt")),
        "appears twice",
    ),
    "tar-case": (
        "Two names that are one on some disks.",
        "capsule/LICENSE.TXT beside capsule/license.txt.",
        tar_of(FILES, extra=tarfile.TarInfo("capsule/LICENSE.TXT")),
        "appears twice",
    ),
    "tar-file-as-folder": (
        "A file in place of a folder.",
        "A file capsule before the files below capsule/.",
        tar_of({"capsule": b"x"} | FILES),
        "appears twice",
    ),
    "tar-bomb": (
        "An archive bomb.",
        "A tar.xz that unpacks to more bytes than it may.",
        tar_of(FILES | {"capsule/zeros": bytes(5_000_000)}),
        "unpacks to more than",
    ),
    "tar-sparse": (
        "A file of holes.",
        "A GNU sparse entry.",
        tar_with(SPARSE),
        "sparse",
    ),
    "tar-huge": (
        "An entry that says it has 2⁶⁴ bytes.",
        "A size of 2⁶⁴ in base 256.",
        tar_with(octal_header("capsule/x", tarfile.REGTYPE, declared(2**64))),
        "unpacks to more than",
    ),
    "tar-negative": (
        "A negative size.",
        "A size of −512 in base 256.",
        tar_with(octal_header("capsule/x", tarfile.REGTYPE, declared(-512)), ENTRY),
        "'capsule/x' has a negative size",
    ),
    "tar-pax-negative": (
        "A negative size in an extended header.",
        "A pax header size=-512.",
        tar_with(pax(size="-512")),
        "'capsule/x' has a negative size",
    ),
    "tar-long-name": (
        "A name of 16 megabytes.",
        "A GNU long name whose header says 16 MB, in 3 KB of tar.xz.",
        tar_with(
            octal_header("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"%011o" % (1 << 24)),
            b"a" * (1 << 24),
            ENTRY,
        ),
        "headers are too large",
    ),
    "tar-later-long-name": (
        "A name of 16 megabytes further on.",
        "A GNU long name whose header says 16 MB, after a good entry.",
        tar_with(
            link("capsule/a", tarfile.REGTYPE, "").tobuf(),
            octal_header("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"%011o" % (1 << 24)),
            b"a" * (1 << 24),
            ENTRY,
        ),
        "headers are too large",
    ),
    "tar-later-chain": (
        "Thousands of long names for a later entry.",
        "3,000 chained GNU long names after a good entry.",
        tar_with(link("capsule/a", tarfile.REGTYPE, "").tobuf(), LONG * 3000, ENTRY),
        "headers are too large",
    ),
    "tar-long-link": (
        "A link's name of 16 megabytes.",
        "A GNU long link whose header says 16 MB.",
        tar_with(
            octal_header("././@LongLink", tarfile.GNUTYPE_LONGLINK, b"%011o" % (1 << 24)),
            b"a" * (1 << 24),
            ENTRY,
        ),
        "headers are too large",
    ),
    "tar-pax": (
        "An extended header of a megabyte.",
        "A pax header with a comment of a million letters.",
        tar_with(pax(comment="a" * 1_000_000)),
        "headers are too large",
    ),
    "tar-global-pax": (
        "Thousands of global headers.",
        "3,000 pax headers for all entries, one after the other.",
        tar_with(tarfile.TarInfo.create_pax_global_header({"comment": "a"}) * 3000, ENTRY),
        "headers are too large",
    ),
    "tar-chained": (
        "Thousands of long names for one entry.",
        "3,000 chained GNU long names.",
        tar_with(LONG * 3000, ENTRY),
        "headers are too large",
    ),
    "tar-sparse-chain": (
        "A map of holes without an end.",
        "A GNU sparse entry with 3,000 blocks of continuation.",
        tar_with(
            octal_header("capsule/x", tarfile.GNUTYPE_SPARSE, b"0", extended=True),
            (bytes(504) + b"\1" + bytes(7)) * 3000,
        ),
        "headers are too large",
    ),
    "tar-count": (
        "More entries than there may be.",
        "100,001 empty files.",
        tar_with(b"".join(link(f"capsule/{k}", tarfile.REGTYPE, "").tobuf() for k in range(201))),
        "more than 200 entries",
    ),
    "tar-deep": (
        "A thousand levels of folders.",
        "A name of a thousand parts.",
        tar_of({"capsule/" + "a/" * 1000 + "x": b"x"}),
        "too long or too deep",
    ),
    "tar-long-part": (
        "A name that no file system takes.",
        "A file name of 300 letters.",
        tar_of({"capsule/" + "a" * 300: b"x"}),
        "too long or too deep",
    ),
    "zip-parent": (
        "A name that leaves the folder.",
        "A zip entry ../escaped.",
        zip_of(FILES | {"../escaped": b"x"}),
        "leaves the folder",
    ),
    "zip-absolute": (
        "An absolute name.",
        "A zip entry /escaped.",
        zip_of(FILES | {"/escaped": b"x"}),
        "leaves the folder",
    ),
    "zip-backslash": (
        "A name that leaves the folder on Windows.",
        "A zip entry with backslashes.",
        zip_of(FILES | {"capsule\\..\\..\\escaped": b"x"}),
        "leaves the folder",
    ),
    "zip-drive": (
        "A name with a drive.",
        "A zip entry C:/escaped.",
        zip_of(FILES | {"C:/escaped": b"x"}),
        "leaves the folder",
    ),
    "zip-symlink": (
        "A symbolic link.",
        "A link among the entries of a zip.",
        zip_of(FILES | {zip_link("capsule/link"): b"../.."}),
        "is a link",
    ),
    "zip-twice": (
        "A name twice.",
        "capsule/License.txt beside capsule/license.txt in a zip.",
        zip_of(FILES | {"capsule/License.txt": b"x"}),
        "appears twice",
    ),
    "zip-bomb": (
        "An archive bomb.",
        "A zip that unpacks to more bytes than it may.",
        zip_of(FILES | {"capsule/zeros": bytes(5_000_000)}),
        "unpacks to more than",
    ),
    "zip-count": (
        "A directory of entries that fills the memory.",
        "A zip with more entries than there may be.",
        zip_of({f"capsule/{k}": b"" for k in range(20_000)}),
        "headers are too large",
    ),
}


@pytest.mark.parametrize(
    "content, message",
    cases("archive", "The whole archive is refused in one line, within 12 MB of memory.", REFUSED),
)
def test_refused_entries(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(hw2lib.data.unpack, "MAX_ENTRIES", 200)
    monkeypatch.setattr(hw2lib.data.unpack, "MAX_ZIP_DIRECTORY", 600_000)
    target = tmp_path / "below" / "target"
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=message) as caught:
            unpacked(content, target)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6
    assert "\n" not in str(caught.value)
    assert {p for p in tmp_path.rglob("*") if p.is_file()} <= {
        target.parent / "archive",
        target / "capsule",
        *(p for p in (target / "capsule").rglob("*")),
    }
