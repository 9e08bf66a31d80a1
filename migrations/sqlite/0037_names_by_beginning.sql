-- Names are compared by their bytes here, and their index does.
SELECT 1;
