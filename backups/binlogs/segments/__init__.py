"""How is a piece of a binlog stored in a repository, and read again byte for byte?"""
