"""A contract as a page: what is relied on, how it was kept, and what became of deliveries."""
