"""Features: their declaration, the kernel that computes windows, and point-in-time joins."""
