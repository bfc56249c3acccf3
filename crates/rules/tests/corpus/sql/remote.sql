SELECT aws_lambda('arn', {'a': a}) AS v, get_secret('s', 'k', 'r') AS s FROM 'a'
