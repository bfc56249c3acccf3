SELECT time_to_epoch(ts, 'yyyy-MM-dd HH:mm:ss z') AS at FROM 'a'
