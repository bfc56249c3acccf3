SELECT {'latitude': get(lat_long, 0), 'longitude': get(lat_long, 1)} AS lat_long, [1, 'a', null, true, Undefined] AS l FROM 'a/b'
