"""The lakehouse's catalog as the configuration of Iceberg's Spark catalog.

What belongs here: from the settings' catalog to Spark's properties. Not: the session they are set on (session.py).
"""

from sqlalchemy import make_url

from lakehouse.catalog.lakehouse import CATALOG_NAME, Lakehouse
from lakehouse.errors import SettingsError
from lakehouse.settings import Settings, redact

_PREFIX = f"spark.sql.catalog.{CATALOG_NAME}"


def on_s3(settings: Settings) -> bool:
    """Whether the tables' files lie in S3."""
    return (settings.warehouse or "").startswith(("s3://", "s3a://"))


def catalog_properties(lake: Lakehouse) -> dict[str, str]:
    """The properties that make the lakehouse's tables Spark's `lake.<domain>.<table>`.

    Raises SettingsError for a catalog or a home that Spark cannot reach.
    """
    settings, home = lake.settings, lake.home
    if not settings.warehouse and home.origin != home.root:
        raise SettingsError(
            f"The home was moved or copied: its tables name files below {home.origin}, where Spark would look.",
            where=str(home.root),
            nearest=str(home.origin),
            fix="Move it back, or use the embedded engine, which maps the old place to the new one.",
        )
    address = settings.catalog_address
    warehouse = settings.warehouse or f"file://{home.warehouse}"
    own: dict[str, str] = {"warehouse": warehouse, "cache-enabled": "false", **settings.catalog_properties}
    if address is None or address.startswith("sqlite"):
        file = make_url(address).database if address else str(home.catalog_file)
        own |= {"type": "jdbc", "uri": f"jdbc:sqlite:{file}", "jdbc.busy_timeout": "60000"}
    elif address.startswith("postgresql"):
        url = make_url(address)
        if not url.host or url.host.startswith("/") or "host" in url.query:
            raise SettingsError(
                "Spark reaches PostgreSQL by host and port, not by a socket's file.",
                where=f"SLIPWAY_CATALOG={redact(address)}",
                nearest="postgresql://user@127.0.0.1:5432/lake",
                fix="Name the host and the port.",
            )
        own |= {"type": "jdbc", "uri": f"jdbc:postgresql://{url.host}:{url.port or 5432}/{url.database}"}
        own |= {"jdbc.user": url.username or "", "jdbc.password": url.password or ""}
    else:
        own |= {"type": "rest", "uri": address}
    if own["type"] == "jdbc":
        own["jdbc.schema-version"] = "V1"
    if on_s3(settings):
        own["io-impl"] = "org.apache.iceberg.aws.s3.S3FileIO"
        if "s3.region" in own:
            own["client.region"] = own["s3.region"]
    named = {f"{_PREFIX}.{name}": value for name, value in own.items()}
    return {_PREFIX: "org.apache.iceberg.spark.SparkCatalog", **named, "spark.sql.defaultCatalog": CATALOG_NAME}
