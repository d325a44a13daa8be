"""What a download is called and what type it claims: user text made safe for response headers."""

import re
import unicodedata
from urllib.parse import quote

DEFAULT_FILE_NAME = "download"
DEFAULT_CONTENT_TYPE = "application/octet-stream"
LONGEST_NAME_BYTES = 255

_RESTRICTED_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"  # RFC 6838, section 4.2
_MEDIA_TYPE = re.compile(rf"{_RESTRICTED_NAME}/{_RESTRICTED_NAME}")
_SCRIPTED_TYPE = re.compile(r"html|xml|svg|script|xslt|pdf|flash|multipart/|message/")
_UNQUOTABLE = re.compile(r"[^A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]")
_ATTR_CHAR = "!#$&+-.^_`|~"  # RFC 5987, section 3.2.1: what may stand unescaped in an extended value


def attachment(file_name: str) -> str:
    """A Content-Disposition value that makes a browser save the file under (about) this name, never show it.

    The last segment of a path counts. Control, format and bidirectional characters become `_`, so a name can neither
    break out of the header nor show another ending than it has. Plain ASCII names are quoted as they are; others get an
    ASCII fallback and the true name as `filename*` (RFC 6266, RFC 5987). At most 255 bytes of UTF-8 remain.
    """
    name = _displayable(file_name)
    fallback = _UNQUOTABLE.sub("_", _without_accents(name))
    if fallback == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHAR)}"


def safe_content_type(content_type: str | None) -> str:
    """The media type, lower case, without parameters; `application/octet-stream` for none, ill-formed and active ones.

    Active are the types a browser may run when it shows them (HTML, SVG and other XML, scripts, PDF).
    """
    media_type = (content_type or "").partition(";")[0].strip(" \t").lower()
    if not _MEDIA_TYPE.fullmatch(media_type) or _SCRIPTED_TYPE.search(media_type):
        return DEFAULT_CONTENT_TYPE
    return media_type


def _displayable(file_name: str) -> str:
    segment = unicodedata.normalize("NFC", file_name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join("_" if _is_invisible(character) else character for character in segment).strip()
    # A cut can fall inside a character: the torn rest is dropped.
    bounded = shown.encode()[:LONGEST_NAME_BYTES].decode(errors="ignore")
    return bounded if bounded.strip(".") else DEFAULT_FILE_NAME


def _without_accents(name: str) -> str:
    return "".join(
        character for character in unicodedata.normalize("NFKD", name) if not unicodedata.combining(character)
    )


def _is_invisible(character: str) -> bool:
    # C*: controls, formats (bidirectional overrides among them), surrogates, unassigned; Zl and Zp: line separators.
    category = unicodedata.category(character)
    return category.startswith("C") or category in {"Zl", "Zp"}
