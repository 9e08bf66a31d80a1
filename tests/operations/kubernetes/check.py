"""What tests/kubernetes checks. HELM is Helm, or HELM_LACKS says why there is none."""

import os
import pathlib
import re
import subprocess
import sys

import kubernetes_validate
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from world import PASSWORD, ROOT, Failed, Heirloom, eventually, fetch, free_port, heirloom_binary, main, program, step

CHART = ROOT / "deploy/kubernetes/heirloom"
MANIFESTS = ROOT / "deploy/kubernetes/heirloom.yaml"
# The oldest that the chart says it is for, and the newest that the validator knows.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]
# The validator ships Kubernetes' own objects alone.
OF_OTHERS = {"ServiceMonitor", "PrometheusRule"}

EVERYTHING = {
    "image": {"pullSecrets": ["registry"]},
    "replicas": 3,
    "migration": {"by": "hook", "database": {"secret": "owner", "key": "url"}},
    "settings": {"HEIRLOOM_TOKENS__ACCESS_TTL": "10m", "HEIRLOOM_HTTP__WORKERS": 2, "HEIRLOOM_LOG__FORMAT": "pretty"},
    "secretSettings": [{"name": "HEIRLOOM_MAIL__PASSWORD", "secret": "mail", "key": "password"}],
    "files": [{"name": "pages", "configMap": "pages"}, {"name": "tls", "secret": "tls"}],
    "trustedProxies": ["10.1.0.0/16", "10.2.0.0/16"],
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "login", "annotations": {"a": "b"}},
    "service": {"annotations": {"a": "b"}},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}}, "rules": {"enabled": True}},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "databaseTo": [{"ipBlock": {"cidr": "10.3.0.0/24"}}],
        "egressPorts": [443, 587],
    },
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "identity"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
}
LEAST = {
    "migration": {"by": "none"},
    "metrics": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
    "networkPolicy": {"enabled": False},
}
# What is no good, and the word that the refusal has to have.
REFUSED = [
    ({"issuer": "login.example.com"}, "issuer"),
    ({"issuer": "https://login.example.com/"}, "issuer"),
    ({"replicas": 0}, "replicas"),
    ({"replica": 3}, "replica"),
    ({"settings": {"TOKENS__ACCESS_TTL": "10m"}}, "TOKENS__ACCESS_TTL"),
    ({"settings": {"HEIRLOOM_MASTER_KEY": "AAEC"}}, "HEIRLOOM_MASTER_KEY"),
    ({"settings": {"HEIRLOOM_DATABASE_URL": "postgres://"}}, "HEIRLOOM_DATABASE_URL"),
    ({"settings": {"HEIRLOOM_MAIL__PASSWORD": "secret"}}, "HEIRLOOM_MAIL__PASSWORD"),
    ({"settings": {"HEIRLOOM_LISTEN": "0.0.0.0:80"}}, "HEIRLOOM_LISTEN"),
    ({"migration": {"by": "hope"}}, "migration"),
    ({"files": [{"name": "pages"}]}, "files"),
    ({"drainDelay": "5"}, "drainDelay"),
    ({"database": {"url": "postgres://"}}, "database"),
]


def helm(world, *arguments, values=None):
    """Runs Helm; gives its exit code, and what it says."""
    command = [os.environ["HELM"], *arguments, "--kube-version", VERSIONS[0]]
    if values is not None:
        file = world.folder / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        command += ["--values", str(file)]
    home = {"HOME": str(world.folder), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, capture_output=True, text=True, env=home)
    return done.returncode, done.stdout, done.stderr


def rendered(world, values, name="heirloom"):
    code, text, said = helm(world, "template", name, str(CHART), "--namespace", "heirloom", values=values)
    if code:
        raise Failed(f"helm template: {said}")
    return text


def objects(text):
    return [found for found in yaml.safe_load_all(text) if found]


def of_kind(all_objects, kind):
    return [found for found in all_objects if found["kind"] == kind]


def fit_the_schemas(checks, name, found):
    """Each object against the schemas of the oldest and the newest Kubernetes, unknown members refused."""
    for version in VERSIONS:
        for each in found:
            if each["kind"] in OF_OTHERS:
                continue
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise Failed(f"{name}, Kubernetes {version}, {each['kind']}: {error}") from None
    kinds = sorted({each["kind"] for each in found} - OF_OTHERS)
    checks.that(kinds, f"{name}: {', '.join(kinds)} are what Kubernetes {' and '.join(VERSIONS)} take")


def pods(found):
    """Each pod that would run: its labels and its specification."""
    workloads = of_kind(found, "Deployment") + of_kind(found, "Job")
    return [(each["spec"]["template"]["metadata"]["labels"], each["spec"]["template"]["spec"]) for each in workloads]


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def selects(selector, labels):
    return all(labels.get(name) == value for name, value in selector.items())


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def are_careful(checks, name, found):
    """What pods may do, and where their secrets come from."""
    for _, pod in pods(found):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] > 0, security
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, security
        assert pod["automountServiceAccountToken"] is False
        for each in containers(pod):
            security = each["securityContext"]
            assert security["readOnlyRootFilesystem"] is True and security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}, security
            assert each["resources"]["limits"]["memory"] and each["resources"]["requests"], each["name"]
            variables = {variable["name"]: variable for variable in each["env"]}
            assert len(variables) == len(each["env"]), "a variable is there twice"
            for variable in variables.values():
                is_secret = re.search("DATABASE_URL$|MASTER_KEY$|PASSWORD$|SECRET$", variable["name"])
                assert bool(is_secret) == ("secretKeyRef" in variable.get("valueFrom", {})), variable
            mounts = {mount["name"] for mount in each["volumeMounts"]}
            assert mounts == {volume["name"] for volume in pod["volumes"]}, mounts
            assert all(mount["readOnly"] for mount in each["volumeMounts"])
        for volume in pod["volumes"]:
            # The server refuses a key that everybody can read.
            assert "secret" not in volume or volume["secret"]["defaultMode"] == 0o440, volume
    checks.ok(f"{name}: pods are not root, write nowhere, have no rights and no token; secrets are references")


def fit_together(checks, name, found, values):
    """Ports, selectors and times that have to agree."""
    [deployment] = of_kind(found, "Deployment")
    template = deployment["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    [server] = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert selects(deployment["spec"]["selector"]["matchLabels"], labels)
    for service in of_kind(found, "Service"):
        assert selects(service["spec"]["selector"], labels)
        assert all(port["targetPort"] in ports for port in service["spec"]["ports"]), service
    for kind, path in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        for each in of_kind(found, kind):
            assert selects(each["spec"][path]["matchLabels"], labels), kind
    for budget in of_kind(found, "PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] < deployment["spec"]["replicas"], "all may go at once"
    for policy in of_kind(found, "NetworkPolicy"):
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        opened = [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
        assert set(opened) == set(ports), (opened, ports)
        who = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["spec"]["ingress"]}
        assert who.get("metrics", True), "everybody may scrape"
    for job in of_kind(found, "Job"):
        assert not any(selects(service["spec"]["selector"], job["spec"]["template"]["metadata"]["labels"])
                       for service in of_kind(found, "Service")), "a service would send requests to the migration"
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    env = {variable["name"]: variable.get("value") for variable in server["env"]}
    assert env["HEIRLOOM_LISTEN"].endswith(f":{ports['http']}")
    assert ("metrics" in ports) == ("HEIRLOOM_METRICS__LISTEN" in env)
    if "metrics" in ports:
        assert env["HEIRLOOM_METRICS__LISTEN"].endswith(f":{ports['metrics']}")
    drain = seconds(env["HEIRLOOM_HTTP__DRAIN_DELAY"])
    # The delay, the ten seconds that open requests have, and the background's share of the same.
    assert pod["terminationGracePeriodSeconds"] >= drain + 2 * 10, "it is killed while it drains"
    ready = server["readinessProbe"]
    assert drain >= ready["periodSeconds"] * ready["failureThreshold"], "it ends before it is noticed"
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz", "a silent database would restart it"
    assert ready["httpGet"]["path"] == "/readyz"
    migrates = [each["args"] for each in pod.get("initContainers", [])] + [
        each["args"] for job in of_kind(found, "Job") for each in job["spec"]["template"]["spec"]["containers"]
    ]
    by = values.get("migration", {}).get("by", "init")
    assert migrates == ([] if by == "none" else [["migrate"]]), migrates
    checks.ok(f"{name}: selectors, ports, probes and times agree; the schema is migrated by {by}")


def are_watched(world, checks, found):
    """What Prometheus' operator reads."""
    [monitor], [rules] = of_kind(found, "ServiceMonitor"), of_kind(found, "PrometheusRule")
    watched = [service for service in of_kind(found, "Service")
               if selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])]
    [service] = watched
    [endpoint], [port] = monitor["spec"]["endpoints"], service["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "heirloom", "alerts look for this job"
    assert monitor["metadata"]["labels"]["release"] == "p"
    checks.ok("the ServiceMonitor finds the metrics' service alone, as the job that the alerts look for")
    alerts = yaml.safe_load((ROOT / "deploy/monitoring/alerts.yml").read_text())
    assert rules["spec"] == alerts, "the chart has other alerts than deploy/monitoring"
    file = world.folder / "rules.yml"
    file.write_text(yaml.safe_dump(rules["spec"]))
    subprocess.run([program("promtool", "prometheus"), "check", "rules", file], check=True, capture_output=True)
    checks.ok("the PrometheusRule has the alerts of deploy/monitoring, and promtool takes them")


def run_as_pods_would(world, checks, found):
    """Runs the containers' commands, in their order, with their variables: addresses and secrets alone are put in."""
    [deployment] = of_kind(found, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    secrets = {"database-url": world.postgres("of-pods")}
    heirloom = Heirloom(world, secrets["database-url"], heirloom_binary())
    folder = world.folder / "secrets"
    folder.mkdir()
    (folder / "master-key").write_text(heirloom.run("keys", "new-master"))
    (folder / "master-key").chmod(0o440)
    ports = {"8080": free_port(), "9464": free_port()}

    def variables(container):
        env = {}
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            value = secrets[reference["key"]] if reference else variable["value"]
            value = re.sub(r"^0\.0\.0\.0:(\d+)$", lambda at: f"127.0.0.1:{ports[at[1]]}", value)
            env[variable["name"]] = value.replace("/run/secrets/heirloom", str(folder))
        return env

    work = world.folder / "work"
    work.mkdir()
    for number, container in enumerate(pod["initContainers"]):
        done = world.start(f"init-{number}", [heirloom.binary, *container["args"]], env=variables(container), cwd=work)
        what = f"the init container's `heirloom {container['args'][0]}` ends well"
        checks.that(done.child.wait(60) == 0, what, done.said())
    [server] = pod["containers"]
    process = world.start("pod", [heirloom.binary, *server["args"]], env=variables(server), cwd=work)
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = server[name]["httpGet"]["path"]
        eventually(f"the {name}", lambda path=path: fetch(f"http://127.0.0.1:{ports['8080']}{path}")[0] == 200)
    checks.ok("the server starts with the pod's variables, and each of its probes is answered")
    checks.that(fetch(f"http://127.0.0.1:{ports['9464']}/metrics")[0] == 200, "so are the metrics")
    written = [path for path in work.rglob("*")]
    checks.that(not written, "it writes no file", written)
    checks.that(process.stop() == 0, "it ends in good order")


def run(world, checks):
    not_run = []
    committed = objects(MANIFESTS.read_text())
    renderings = {"the manifests": ({}, committed)}
    if "HELM" in os.environ:
        step("Helm")
        for name, values in (("as it is", {}), ("with everything", EVERYTHING), ("with the least", LEAST)):
            code, said, error = helm(world, "lint", "--strict", str(CHART), values=values)
            checks.that(code == 0, f"helm lint, {name}", said + error)
            renderings[f"the chart {name}"] = (values, objects(rendered(world, values)))
        same = rendered(world, {}) == MANIFESTS.read_text()
        checks.that(same, "the manifests are the chart's rendering", "tests/kubernetes render writes them anew")
        other = of_kind(objects(rendered(world, {}, "login")), "Deployment")
        checks.that(other[0]["metadata"]["name"] == "login-heirloom", "two releases may share a namespace")
        for values, word in REFUSED:
            code, _, said = helm(world, "template", "heirloom", str(CHART), values=values)
            checks.that(code != 0 and word in said, f"{values} is refused", said)
    else:
        not_run.append(f"helm: {os.environ['HELM_LACKS']}")

    step("the objects")
    for name, (values, found) in renderings.items():
        fit_the_schemas(checks, name, found)
        are_careful(checks, name, found)
        fit_together(checks, name, found, values)
    if "HELM" in os.environ:
        are_watched(world, checks, renderings["the chart with everything"][1])
    not_run.append("schemas of ServiceMonitor and PrometheusRule: no package ships them")

    step("a server, as the pods would run it")
    run_as_pods_would(world, checks, committed)
    print(f"\ntests/kubernetes: NOT RUN: {len(not_run)} ({'; '.join(not_run)})")


if __name__ == "__main__":
    main(run)
