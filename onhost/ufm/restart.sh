# Restart UFM, so that it reads its configuration again (O6).
#
#   FILES, GUID, LIMIT   as for install

docker exec ufm /etc/init.d/ufmd restart
running
