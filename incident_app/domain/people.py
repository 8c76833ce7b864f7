"""Sets of people by their keys: compact and exact, so that determination, preview and differences are set algebra.

A set is a Roaring bitmap: ten million people take about a megabyte, and its file form is a public format that other
languages read too.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from pyroaring import BitMap, FrozenBitMap

from incident_app.domain.digests import ContentDigest

People: TypeAlias = FrozenBitMap
NOBODY: People = FrozenBitMap()
SHARD_BITS = 16
"""A shard holds the people whose keys agree but for the last 16 bits: 65,536 at most, 8 kB packed at most."""

Part = TypeVar("Part", bound=Hashable)


def people(keys: Iterable[int]) -> People:
    """Return a set of people from their keys (0 to 2**32 - 1; OverflowError beyond)."""
    return FrozenBitMap(keys)


def shard_of(key: int) -> int:
    """Return the number of the shard that a key falls into."""
    return key >> SHARD_BITS


def shards(whole: People) -> Iterator[tuple[int, People]]:
    """Cut a set into its shards, low to high; empty ones are left out."""
    position = 0
    while position < len(whole):
        number = shard_of(whole[position])
        low = number << SHARD_BITS
        end = position + whole.range_cardinality(low, low + (1 << SHARD_BITS))
        yield number, whole[position:end]
        position = end


def pack(part: People) -> bytes:
    """Write a set in the portable Roaring format."""
    return part.serialize()


def unpack(content: bytes) -> People:
    """Read what `pack` wrote; ValueError when it is not a set in that format."""
    return FrozenBitMap.deserialize(content)


def digest_of_people(whole: People) -> ContentDigest:
    """Return the SHA-256 over the keys, ascending, four bytes each, little-endian: no library decides it."""
    keys = whole.to_array()
    if sys.byteorder == "big":
        keys.byteswap()
    return ContentDigest(hashlib.sha256(keys.tobytes()).hexdigest())


def partition(touched: Mapping[Part, People]) -> dict[frozenset[Part], People]:
    """Group people by exactly what touches them; who is touched by nothing is in no group."""
    groups: dict[frozenset[Part], BitMap] = {}
    for part, reached in touched.items():
        left = BitMap(reached)
        for parts, group in list(groups.items()):
            both = group & left
            if not both:
                continue
            left -= both
            groups[parts | {part}] = both
            if len(both) == len(group):
                del groups[parts]
            else:
                groups[parts] = group - both
        if left:
            groups[frozenset({part})] = left
    return {parts: FrozenBitMap(group) for parts, group in groups.items()}
