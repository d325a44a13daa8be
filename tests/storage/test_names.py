"""Names and types of downloads are safe in a header, whatever the user wrote."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings, strategies as st

from storage.names import LONGEST_NAME_BYTES, attachment, safe_content_type

HEADER = re.compile(
    r"attachment; filename=\"([^\"\\\x00-\x1f\x7f]+)\"(?:; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+))?"
)


def parsed(header: str) -> tuple[str, str]:
    """The ASCII name and the true name a client reads from the header."""
    match = HEADER.fullmatch(header)
    assert match, header
    fallback, extended = match.groups()
    return fallback, unquote(extended) if extended else fallback


@pytest.mark.parametrize(
    ("file_name", "fallback", "name"),
    [
        ("model.onnx", "model.onnx", "model.onnx"),
        ("weights (v2) & more.bin", "weights (v2) & more.bin", "weights (v2) & more.bin"),
        ("weights/layer 1/model.bin", "model.bin", "model.bin"),
        ("..\\..\\boot.ini", "boot.ini", "boot.ini"),
        ("modèle.bin", "modele.bin", "modèle.bin"),
        ("模型.bin", "??.bin", "模型.bin"),
        ("🦊.bin", "?.bin", "🦊.bin"),
        ('say "hi".bin', "say _hi_.bin", 'say "hi".bin'),
        ("100%41.bin", "100_41.bin", "100%41.bin"),
        ("a\r\nSet-Cookie: x=1", "a__Set-Cookie_ x=1", "a__Set-Cookie: x=1"),
        ("a\u2028b\x00c", "a_b_c", "a_b_c"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe", "invoice_fdp.exe"),
        ("lone \ud800 surrogate", "lone _ surrogate", "lone _ surrogate"),
        ("", "download", "download"),
        ("..", "download", "download"),
        ("   ", "download", "download"),
        ("folder/", "folder", "folder"),
    ],
)
def test_a_download_keeps_its_name_as_far_as_it_is_safe(file_name: str, fallback: str, name: str) -> None:
    assert parsed(attachment(file_name)) == (fallback.replace("?", "_"), name)


@settings(deadline=None)
@given(st.text(st.characters(), max_size=400))
def test_no_name_leaves_the_grammar_of_the_header(file_name: str) -> None:
    header = attachment(file_name)

    assert header.isascii()
    _, name = parsed(header)
    assert 1 <= len(name.encode()) <= LONGEST_NAME_BYTES
    assert "/" not in name


def test_a_long_name_is_cut_between_characters() -> None:
    assert parsed(attachment("a" + "é" * 200)) == ("a" + "e" * 127, "a" + "é" * 127)


@pytest.mark.parametrize(
    ("written", "safe"),
    [
        ("application/vnd.onnx", "application/vnd.onnx"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("image/png", "image/png"),
        ("application/json", "application/json"),
    ],
)
def test_a_plain_type_is_kept_without_its_parameters(written: str, safe: str) -> None:
    assert safe_content_type(written) == safe


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "text",
        "text/",
        "text/plain\r\nx: y",
        "text/pläin",
        "text/html",
        "TEXT/HTML;charset=utf-8",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/javascript",
        "application/pdf",
        "a" * 200 + "/b",
    ],
)
def test_an_active_or_ill_formed_type_becomes_bytes(written: str | None) -> None:
    assert safe_content_type(written) == "application/octet-stream"
