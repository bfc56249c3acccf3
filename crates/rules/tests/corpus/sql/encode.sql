SELECT encode(*, 'base64') AS data, decode(encode(*, 'base64'), 'base64') AS back FROM 'a'
