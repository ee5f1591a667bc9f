# scs/
