# UFM reads its configuration anew (O6).
docker exec ufm /etc/init.d/ufmd restart
running
