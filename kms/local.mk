# kms/
