SELECT VALUE transform('enrichArray', attributes, values) FROM 'in/t'
