"""The asset graph of some domains, with the other domains that they read.

What belongs here: which domains belong to a graph, and what a graph says of a domain's sources. Not: the graph itself
(lakehouse/kinds/graph.py).
"""

from collections.abc import Sequence

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import domain_names, load_domains
from lakehouse.sources.source import Source
from lakehouse.transforms.project import load_project


def asset_graph(lake: Lakehouse, domains: Sequence[Domain]) -> AssetGraph:
    """The graph of these domains and of those whose tables they read, directly or not.

    Raises DeclarationError as the graph and the domains do.
    """
    project = load_project(lake.settings, lake.home)
    known = list(domains)
    while True:
        known += load_domains(_others(known, [model.training_set for one in known for model in one.models]))
        graph = AssetGraph(known, project, lake.settings.engine)
        others = _others(known, [name for asset in graph for name in asset.inputs])
        if not others:
            return graph
        known += load_domains(others)


def _others(known: Sequence[Domain], names: Sequence[str]) -> list[str]:
    """The declared domains of these names that are not known yet."""
    named = {name.partition(".")[0] for name in names} - {domain.name for domain in known}
    return [domain for domain in domain_names() if domain in named] if named else []


def roots(graph: AssetGraph, domain: Domain) -> list[str]:
    """The sources and the tables of other domains that a domain's derived assets read."""
    assets = graph.of_domain(domain.name)
    derived = {asset.name for asset in assets if asset.inputs}
    return list(dict.fromkeys(name for asset in assets for name in asset.inputs if name not in derived))


def main_source(graph: AssetGraph, domain: Domain) -> Source:
    """The source that the rows of the first training set come from; the first source of a domain without one."""
    by_name = {source.name: source for source in domain.sources}
    for training_set in domain.training_sets:
        for name in [training_set.spine, *graph.upstream(training_set.spine)]:
            if name in by_name:
                return by_name[name]
    return domain.sources[0]
