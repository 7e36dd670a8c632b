# Restart UFM, which reads its configuration anew (O6).
#
#   FILES, GUID, LIMIT   as for install

docker exec ufm /etc/init.d/ufmd restart
running
