"""Tokens: which headers present one, which texts are one, and that none is ever printed."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.ocpi.auth import AuthToken, presented_tokens
from chalicelib.ocpi.errors import NotAuthenticated

TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


@given(TOKENS, st.sampled_from(["Token ", "token ", "TOKEN\t", "  tOkEn   "]), st.sampled_from(["", " ", "\t"]))
def test_a_token_is_presented_literally(secret: str, scheme: str, end: str) -> None:
    """TRA-05, TRA-07, TRA-08, Q-04: whatever characters it is made of, it comes first."""
    assert presented_tokens({"authorization": f"{scheme}{secret}{end}"})[0].secret == secret


@given(TOKENS, st.sampled_from(["", "\n"]))
def test_a_token_in_base64_is_presented_as_both(secret: str, end: str) -> None:
    """TRA-08, Q-03: the literal first, because a token may look like Base64."""
    wrapped = base64.b64encode((secret + end).encode()).decode()

    presented = [token.secret for token in presented_tokens({"authorization": f"Token {wrapped}"})]

    assert presented == [wrapped, secret] if len(wrapped) <= 64 else [secret]


@pytest.mark.parametrize("headers", [{}, {"x-authorization": "Token abc"}])
def test_without_the_header_there_is_no_token(headers: dict[str, str]) -> None:
    """TRA-03."""
    with pytest.raises(NotAuthenticated, match="missing"):
        presented_tokens(headers)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Token",
        "Token ",
        "Token\t",
        "abc",
        "Bearer abc",
        "Basic YWJj",
        "Tokenabc",
        "Token a b",
        "Token é",
        "Token a\x00",
    ],
)
def test_another_header_presents_none(value: str) -> None:
    """TRA-05."""
    with pytest.raises(NotAuthenticated, match="must read 'Token <token>'"):
        presented_tokens({"authorization": value})


@example("Token " + "x" * 65)
@example("Token " + "x" * 200)
@given(st.text())
def test_any_header_presents_tokens_or_is_refused(value: str) -> None:
    """TRA-07: nothing that is no token gets past."""
    try:
        presented, said = presented_tokens({"authorization": value}), ""
    except NotAuthenticated as refused:
        presented, said = (), str(refused)

    assert all(0 < len(token.secret) <= 64 and token.secret.isascii() for token in presented)
    assert len(value) < 8 or value not in said


@example("!" * 64)
@example("~" * 65)
@example("with space")
@given(st.text())
def test_a_token_is_made_of_1_to_64_printable_characters(text: str) -> None:
    """TRA-07."""
    is_one = 0 < len(text) <= 64 and all("!" <= character <= "~" for character in text)

    try:
        token = AuthToken.of(text)
    except ValueError:
        assert not is_one
    else:
        assert is_one
        assert token.header == {"authorization": f"Token {text}"}
        assert token.hash == hashlib.sha256(text.encode()).hexdigest()


@given(TOKENS.filter(lambda secret: len(secret) > 3))
def test_a_token_is_never_printed(secret: str) -> None:
    """TRA-07: at most its first three characters, to tell two from each other."""
    token = AuthToken.of(secret)

    assert secret not in f"{token} {token!r} {[token]} {(token,)!s}"
