"""The chunker polynomial: a random irreducible polynomial of degree 53 over GF(2).

restic keeps one in every repository's ``config`` and cuts files with it. VML cuts with FastCDC, which
needs none, but a repository without one would not be valid for restic.
A polynomial is an int here: bit i is the coefficient of x^i.
"""

from __future__ import annotations

import secrets

DEGREE = 53


def random_irreducible() -> int:
    """Return a random irreducible polynomial of degree 53; about one in 27 of the odd ones is."""
    while True:
        candidate = secrets.randbits(DEGREE) | 1 << DEGREE | 1
        if is_irreducible(candidate):
            return candidate


def is_irreducible(polynomial: int) -> bool:
    """Tell by Rabin's test.

    53 is prime, so f of that degree is irreducible exactly when x^(2^53) = x modulo f, and f and
    x^2 - x have no common factor.
    """
    power = 2  # x
    for _ in range(DEGREE):
        power = _modulo(_square(power), polynomial)
    return power == 2 and _common_divisor(polynomial, 2 ^ 4) == 1


def _square(a: int) -> int:
    """Square over GF(2): every bit moves to twice its place."""
    return int("0".join(f"{a:b}"), 2)


def _modulo(a: int, b: int) -> int:
    while a.bit_length() >= b.bit_length():
        a ^= b << (a.bit_length() - b.bit_length())
    return a


def _common_divisor(a: int, b: int) -> int:
    while b:
        a, b = b, _modulo(a, b)
    return a
