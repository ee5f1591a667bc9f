# lib/: the server's side of SimulCrypt interfaces, for the programs that have it
%C%_libgw_la_SOURCES += %D%/ecmg_channel.c %D%/ecmg_channel.h %D%/ecmg_face.c %D%/ecmg_face.h
