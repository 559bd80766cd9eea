"""Credit risk: predicting which credit card client will be late with next month's payment."""

OWNERS = ("team:lending", "team:credit-risk")
