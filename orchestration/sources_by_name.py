"""Sources and their domains by name, as commands ask for them.

What belongs here: looking up. Not: loading declarations (lakehouse/loading.py).
"""

from lakehouse.contracts.quarantine import SUFFIX
from lakehouse.domain import Domain
from lakehouse.errors import unknown_name
from lakehouse.loading import load_domains
from lakehouse.sources.source import Source


def sources() -> list[Source]:
    """All sources of all domains."""
    return [source for domain in load_domains() for source in domain.sources]


def source_named(name: str) -> Source:
    """The source with this name, or with this quarantine. Raises UnknownNameError with the nearest name."""
    known = {source.name: source for source in sources()}
    plain = name.removesuffix(SUFFIX)
    if plain not in known:
        raise unknown_name("source", name, known)
    return known[plain]


def domain_of(source: Source) -> Domain:
    """The domain that declares the source."""
    return next(domain for domain in load_domains() if source.name in {one.name for one in domain.sources})
