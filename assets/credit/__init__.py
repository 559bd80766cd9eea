"""Credit risk: telling which client of a credit card will be late with next month's payment."""

OWNERS = ("team:lending", "team:credit-risk")
