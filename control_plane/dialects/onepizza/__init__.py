"""People's meetings with bots beside them, as onepizza.io documents them."""
