SELECT time_to_epoch(m, 'dd MMMM yyyy') AS a, time_to_epoch(n, 'EEE, dd MMM yyyy hh:mm:ss a Z') AS b FROM 'a'
