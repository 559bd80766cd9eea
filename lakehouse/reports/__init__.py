"""Reports: pages as files that open in a browser without a server."""
