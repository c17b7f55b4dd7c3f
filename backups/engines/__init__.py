"""How the copy is made: one package per tool."""
