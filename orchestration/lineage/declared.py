"""The conversion of Dagster's events into lineage events, over all that is declared.

What belongs here: bringing declarations and conversion together. Not: the conversion itself (lakehouse/lineage/emit).
"""

from typing import TYPE_CHECKING

from lakehouse.catalog.lakehouse import Lakehouse

if TYPE_CHECKING:
    from lakehouse.lineage.emit.conversion import Conversion


def conversion_of(lake: Lakehouse) -> "Conversion":
    """The conversion for a lakehouse, with the domains and the dbt project as they are declared now."""
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.lineage.emit.conversion import Conversion
    from lakehouse.loading import load_domains
    from lakehouse.transforms.project import load_project

    project = load_project(lake.settings, lake.home)
    return Conversion(lake, AssetGraph(load_domains(), project, lake.settings.engine))
