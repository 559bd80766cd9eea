"""Card fraud: telling which payment is not the card owner's."""

OWNERS = ("team:payments", "team:fraud")
