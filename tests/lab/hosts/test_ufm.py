"""UFM's node: Docker, UFM's installer and container, interfaces."""

import io
import json
import tarfile

import pytest

from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

INSTALL = (
    "docker run --name=ufm_installer --rm -v /var/run/docker.sock:/var/run/docker.sock"
    " -v /var/ufm_files:/installation/ufm_files/ -v /root/lic:/installation/ufm_licenses/"
    " mellanox/ufm-enterprise-installer:latest --install -m SA -e mellanox/ufm-enterprise:latest"
    " --fabric-interface ib0 --mgmt-interface eno1"
)


def test_the_host_meets_the_guides_requirements(lab: Lab) -> None:
    assert lab.ok("ufm", ". /etc/os-release; echo $ID $VERSION_ID") == "ubuntu 18.04\n"
    assert lab.ok("ufm", "ofed_info -s").startswith("MLNX_OFED_LINUX-5.6")
    assert lab.ok("ufm", "systemctl is-active docker; systemctl is-enabled docker") == "active\nenabled\n"
    assert "Server: Docker" in lab.ok("ufm", "docker version")


def test_ibstat_shows_the_fabric(lab: Lab) -> None:
    assert "State: Active" in lab.ok("ufm", "ibstat")
    assert "LinkUp" in lab.ok("ufm", "ibstat mlx5_0")
    lab.fabric.linked.discard("ufm")
    assert "State: Down" in lab.ok("ufm", "ibstat")
    lab.fabric.linked.add("ufm")
    assert "can't be found" in lab.refused("ufm", "ibstat mlx5_7")


def test_stopped_docker_does_not_answer(lab: Lab) -> None:
    lab.ok("ufm", "systemctl stop docker")
    assert lab.run("ufm", "systemctl is-active docker").returncode == 3
    assert "Cannot connect to the Docker daemon" in lab.refused("ufm", "docker ps")
    lab.ok("ufm", "systemctl start docker && docker ps")
    assert "not found" in lab.refused("ufm", "systemctl start nonsense")


def test_pull_accepts_only_the_vendor_s_images(lab: Lab) -> None:
    assert "denied" in lab.refused("ufm", "docker pull someone/else")
    out = lab.ok("ufm", "docker pull mellanox/ufm-enterprise-installer")
    assert "Using default tag: latest" in out
    assert "Downloaded newer image" in out
    assert "up to date" in lab.ok("ufm", "docker pull mellanox/ufm-enterprise-installer:latest")
    listed = lab.ok("ufm", "docker images --format '{{.Repository}}:{{.Tag}}'")
    assert listed == "mellanox/ufm-enterprise-installer:latest\n"


def test_the_installer_refuses_a_fabric_interface_without_address_or_link(lab: Lab) -> None:
    lab.ok("ufm", "install -D -m 0600 /dev/stdin /root/lic/mlnx-ufm.lic", "licence")
    assert "must be up and have an IP address" in lab.refused("ufm", INSTALL)
    lab.ok("ufm", "ip address replace 11.11.11.253/24 dev ib0")
    assert "must be up and have an IP address" in lab.refused("ufm", INSTALL)
    lab.ok("ufm", "ip link set ib0 up")
    assert "11.11.11.253/24" in lab.ok("ufm", "ip -br addr show ib0")


def test_ip_refuses_invalid_addresses_and_devices(lab: Lab) -> None:
    assert "File exists" in lab.refused("ufm", "ip address add 11.11.11.253/24 dev ib0")
    assert "Cannot assign" in lab.refused("ufm", "ip addr del 1.2.3.4/24 dev ib0")
    assert "Cannot find device" in lab.refused("ufm", "ip link set dev ib9 up")
    assert "any valid prefix" in lab.refused("ufm", "ip address add nonsense dev ib0")


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("-v /var/run/docker.sock:/var/run/docker.sock", "", "is not mounted"),
        ("-v /root/lic:/installation/ufm_licenses/", "", "is not mounted"),
        ("/root/lic", "/root/empty", "No license file"),
        ("--fabric-interface ib0", "--fabric-interface ib7", "does not exist"),
        ("--fabric-interface ib0", "--fabric-interface eno1", "no InfiniBand"),
        (" --mgmt-interface eno1", "", "Interface eth0 does not exist"),
        ("-m SA", "-m HA", "HA needs a second node"),
        ("-m SA", "-m XX", "invalid choice"),
        ("--install", "--instal", "unrecognized arguments"),
        ("mellanox/ufm-enterprise:latest", "someone/ufm:latest", "denied"),
    ],
)
def test_the_installer_refuses_invalid_arguments(lab: Lab, was: str, becomes: str, says: str) -> None:
    assert was in INSTALL
    assert says in lab.refused("ufm", INSTALL.replace(was, becomes))
    assert lab.ufm.calls == []


def test_the_installer_asks_for_missing_arguments(lab: Lab) -> None:
    command = INSTALL.partition(" --install")[0]
    assert "EOF" in lab.refused("ufm", command)
    assert "Unknown deployment mode" in lab.refused("ufm", command, "x\nSA\n\nib0\neno1\n")


def test_the_installation_fails_when_ufm_does_not_start(lab: Lab) -> None:
    lab.ufm.broken = True
    assert "500 broken" in lab.refused("ufm", INSTALL)
    lab.ufm.broken = False
    assert lab.ok("ufm", "docker ps -aq") == ""


def test_the_installer_creates_and_starts_the_container(lab: Lab) -> None:
    out = lab.ok("ufm", INSTALL)
    assert "UFM Files Path:                      /var/ufm_files" in out
    assert out.endswith("   UFM container installation finished successfully\n")
    assert lab.ufm.calls == ["install"], "the tag latest has no release"
    assert lab.ok("ufm", "cat /var/ufm_files/licenses/mlnx-ufm.lic") == "licence"
    assert lab.ok("ufm", "docker ps -q --filter name='^ufm$'") != ""
    assert lab.ok("ufm", "docker ps --format '{{.Names}} {{.Image}}'") == "ufm mellanox/ufm-enterprise:latest\n"
    assert "(pid " in lab.ok("ufm", "docker exec ufm /etc/init.d/ufmd status")
    assert lab.run("ufm", "systemctl is-active ufm-enterprise").returncode == 4, "the guide's installation has no unit"
    assert lab.ok("ufm", "docker inspect -f '{{.State.Status}}' ufm") == "running\n"
    assert json.loads(lab.ok("ufm", "docker inspect ufm"))[0]["State"]["Running"] is True
    assert "exists already" in lab.refused("ufm", INSTALL)


def test_ufmd_restarts_in_the_container(lab: Lab) -> None:
    before = lab.ok("ufm", "docker exec ufm /etc/init.d/ufmd status")
    lab.ok("ufm", "docker exec ufm /etc/init.d/ufmd restart")
    assert lab.ufm.calls[-1] == "restart"
    assert "is running" in before
    assert "not a TTY" in lab.refused("ufm", "docker exec -it ufm /etc/init.d/ufmd status")
    assert "executable file not found" in lab.refused("ufm", "docker exec ufm bash")


def test_state_survives_a_restart_of_the_keeper(lab: Lab) -> None:
    lab.keeper.stop()
    assert "keeper does not answer" in lab.refused("ufm", "docker ps")
    lab.start()
    assert lab.ok("ufm", "docker ps --format '{{.Names}}'") == "ufm\n"
    assert "11.11.11.253/24" in lab.ok("ufm", "ip addr show ib0")


def test_removing_container_and_images_keeps_ufm_s_data(lab: Lab) -> None:
    assert "is using it" in lab.refused("ufm", "docker rmi mellanox/ufm-enterprise:latest")
    assert "container is running" in lab.refused("ufm", "docker rm ufm")
    lab.ok("ufm", "docker rm -f ufm")
    assert lab.ufm.calls[-1] == "stop", "UFM's data are kept in the folder"
    assert lab.ok("ufm", "docker ps -aq") == ""
    assert "No such container" in lab.run("ufm", "docker rm -f ufm").stderr
    lab.ok("ufm", "docker rmi mellanox/ufm-enterprise:latest mellanox/ufm-enterprise-installer:latest")
    assert lab.ok("ufm", "docker images -q") == ""
    assert "No such container" in lab.refused("ufm", "docker exec ufm /etc/init.d/ufmd status")
    assert lab.run("ufm", "systemctl is-active ufm-enterprise").returncode == 4


CURRENT = (
    "docker run --rm -v /var/run/docker.sock:/var/run/docker.sock -v /etc/systemd/system/:/etc/systemd_files/"
    " -v /opt/ufm/files/:/installation/ufm_files/ -v /root/lic/:/installation/ufm_licenses/"
    " mellanox/ufm-enterprise:6.14.5-2 --install --mgmt-interface eno1"
)
UPGRADE = (
    "docker run --rm -v /var/run/docker.sock:/var/run/docker.sock -v /etc/systemd/system/:/etc/systemd_files/"
    " -v /opt/ufm/files/:/opt/ufm/shared_config_files/ mellanox/ufm-enterprise:6.19.3-1 --upgrade"
)


def test_the_current_image_installs_itself_as_a_unit(lab: Lab) -> None:
    lab.ufm.calls.clear()
    assert "is not mounted" in lab.refused("ufm", CURRENT.replace("-v /etc/systemd/system/:/etc/systemd_files/", ""))
    assert "finished successfully" in lab.ok("ufm", CURRENT)
    assert lab.ok("ufm", "docker ps -aq") == "", "nothing runs before the unit is started"
    assert lab.ufm.calls == []
    assert "not found" in lab.refused("ufm", "systemctl start ufm-enterprise")
    lab.ok("ufm", "systemctl daemon-reload && systemctl start ufm-enterprise")
    assert lab.ufm.calls == ["install 6.14.5-2"]
    assert lab.ok("ufm", "systemctl is-active ufm-enterprise") == "active\n"
    assert lab.ok("ufm", "docker inspect -f '{{.Config.Image}} {{.State.Running}}' ufm").endswith(":6.14.5-2 true\n")


def test_curl_on_the_host_returns_ufm_s_release(lab: Lab) -> None:
    url = "http://127.0.0.1:8000/app/ufm_version"
    assert json.loads(lab.ok("ufm", f"curl -fsS -H 'X-Remote-User: ufmsystem' {url}")) == {
        "ufm_release_version": "6.14.5-2"
    }
    assert "401" in lab.refused("ufm", f"curl -fsS {url}")


def test_upgrade_keeps_the_state(lab: Lab) -> None:
    assert "exists already" in lab.refused("ufm", UPGRADE)
    lab.ok("ufm", "systemctl stop ufm-enterprise")
    assert lab.ok("ufm", "docker ps -aq") == "", "the unit's container is removed with it"
    assert "Connection refused" in lab.refused("ufm", "curl http://127.0.0.1:8000/app/ufm_version")
    lab.ok("ufm", UPGRADE)
    lab.ok("ufm", "systemctl daemon-reload && systemctl start ufm-enterprise")
    assert lab.ufm.calls == ["install 6.14.5-2", "stop", "upgrade 6.19.3-1", "start"]
    lab.ok("ufm", "systemctl stop ufm-enterprise")
    assert "from 6.19.3-1 to 6.14.5-2 is not supported" in lab.refused("ufm", UPGRADE.replace("6.19.3-1", "6.14.5-2"))


def test_docker_and_systemctl_stop_and_start_ufm(lab: Lab) -> None:
    lab.ufm.calls.clear()
    lab.ok("ufm", "systemctl start ufm-enterprise; docker stop ufm")
    assert lab.run("ufm", "systemctl is-active ufm-enterprise").returncode == 3
    lab.ok("ufm", "systemctl restart ufm-enterprise")
    assert lab.ufm.calls == ["start", "stop", "start"]


def test_deleting_the_folder_removes_ufm(lab: Lab) -> None:
    lab.ok("ufm", "systemctl stop ufm-enterprise; rm /etc/systemd/system/ufm-enterprise.service")
    lab.ok("ufm", "rm -r /opt/ufm/files; systemctl daemon-reload; docker ps")
    assert lab.ufm.calls[-1] == "remove"
    assert lab.run("ufm", "systemctl is-active ufm-enterprise").returncode == 4


def test_manifests_and_digests_of_the_registry(lab: Lab) -> None:
    image = "mellanox/ufm-enterprise"
    assert "digest" in lab.ok("ufm", f"docker manifest inspect {image}:6.14.5-2")
    assert "no such manifest" in lab.refused("ufm", f"docker manifest inspect {image}:nonsense")
    assert "manifest unknown" in lab.refused("ufm", f"docker pull {image}:nonsense")
    digest = lab.ok("ufm", f"docker image inspect -f '{{{{index .RepoDigests 0}}}}' {image}:6.14.5-2").strip()
    assert digest.startswith(f"{image}@sha256:")
    lab.ok("ufm", f"docker pull {digest} && docker image inspect {digest} && docker rmi {digest}")
    with lab.rack.ufm.change():
        lab.rack.ufm.state.offline = True
    assert "request canceled" in lab.refused("ufm", f"docker pull {image}:6.22.0-1")
    assert "request canceled" in lab.refused("ufm", f"docker manifest inspect {image}:6.22.0-1")
    with lab.rack.ufm.change():
        lab.rack.ufm.state.offline = False


def test_docker_rename_and_logs(lab: Lab) -> None:
    lab.ok("ufm", f"{INSTALL}; docker stop ufm; docker rename ufm before; docker ps -a")
    assert lab.ok("ufm", "docker ps -a --filter status=exited --format '{{.Names}}'") == "before\n"
    assert lab.ok("ufm", "docker logs --tail 1 before") == "UFM  started\n"
    assert "No such container" in lab.refused("ufm", "docker container inspect ufm")
    assert "No such image" in lab.refused("ufm", "docker image inspect before")
    lab.ok("ufm", "docker rm before; rm -r /var/ufm_files; docker ps")


def test_docker_load_reads_an_archive(lab: Lab) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        manifest = json.dumps([{"RepoTags": ["mellanox/ufm-enterprise:local"]}]).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    (lab.rack.ufm.root.tree / "tmp/ufm.tar").write_bytes(archive.getvalue())
    assert lab.ok("ufm", "docker load -i /tmp/ufm.tar") == "Loaded image: mellanox/ufm-enterprise:local\n"
    lab.ok("ufm", "echo nothing > /tmp/bad.tar")
    assert "invalid archive" in lab.refused("ufm", "docker load -i /tmp/bad.tar")
    assert "no such file" in lab.refused("ufm", "docker load -i /tmp/none.tar")


def test_docker_refuses_unknown_subcommands_and_options(lab: Lab) -> None:
    assert "is not a docker command" in lab.refused("ufm", "docker frobnicate")
    assert lab.run("ufm", "docker ps --wrong").returncode == 2
