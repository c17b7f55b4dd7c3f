"""How are jobs requested, sent to workers, explained while queued, cancelled and rerun?"""
