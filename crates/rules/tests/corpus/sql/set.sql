SET @c = (t - 32) * 5 / 9.0, @e = (SELECT VALUE n FROM e) SELECT @c AS c, @e AS e FROM 'device/data' WHERE @c > 20
