"""Card fraud: predicting which payment was not made by the card's owner."""

OWNERS = ("team:payments", "team:fraud")
