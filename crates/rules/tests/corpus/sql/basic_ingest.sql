SELECT accountid() + principal() + traceid() AS who
