"""How targets and accounts are doing: circuits, cooldowns and retry budgets. Pure: no sockets, the clock is given."""
