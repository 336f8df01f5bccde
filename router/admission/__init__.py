"""How much may be under way at once: requests, attempts at a target, bytes in memory. The rest waits, or is refused."""
