"""Which addresses may Mooring connect to, where people type the address?"""
