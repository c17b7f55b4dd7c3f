"""Which transactions are in a piece of a binlog: when committed, and what did they change?"""
