"""Many movies: a sample analysed together, or a batch on the workers of a Dask cluster.

On a machine of one's own ``lptem-tracker batch "DATA/**/*.dm4" -o RUNS`` starts its own worker processes, one a
core. Elsewhere Dask's deployments start the workers, and ``--scheduler ADDRESS`` names their scheduler. What every
worker needs, wherever it runs: the same version of this package, the movies and RUNS under the same paths (a shared
file system), and ``OMP_NUM_THREADS`` set to the cores it may use (Dask sets 1 where nothing is set). The machine
that calls ``batch`` needs the paths too: it plans the movies, holds the lock and writes the summary and the progress
page ``RUNS/index.html``. It may be stopped at any time; the same command goes on with what is missing.

**SLURM**, with dask-jobqueue, on a login node::

    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        queue="gpu", cores=1, processes=1, job_cpu=8, memory="16 GB", walltime="08:00:00",
        job_extra_directives=["--gres=gpu:1"],
        job_script_prologue=["export OMP_NUM_THREADS=8"],
        scheduler_options={"port": 8786},
    )
    cluster.scale(jobs=8)
    input(f"lptem-tracker batch ... --scheduler {cluster.scheduler_address}; Enter ends the jobs. ")

``cores=1`` is Dask's count of tasks at a time: one movie, or one part of a long one, for each job.

**Kubernetes**, with dask-kubernetes and its operator, from a pod that mounts the volume with the data::

    from dask_kubernetes.operator import KubeCluster, make_cluster_spec

    spec = make_cluster_spec(
        name="lptem", image="REGISTRY/lptem-tracker:0.1.0", n_workers=8, env={"OMP_NUM_THREADS": "8"},
        worker_command=["dask-worker", "--nthreads", "1"],
    )
    pod = spec["spec"]["worker"]["spec"]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "lptem-data"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    pod["containers"][0]["resources"] = {"requests": {"cpu": "8"}, "limits": {"nvidia.com/gpu": "1"}}
    cluster = KubeCluster(custom_cluster_spec=spec)
    input(f"lptem-tracker batch ... --scheduler {cluster.scheduler_address}; Enter ends the workers. ")

A worker that is lost costs its present task, which another takes up; a movie that brings its workers down again and
again is listed as failed with that reason, and the others finish.
"""

from lptem_tracker.batch.sample import analyze_sample

__all__ = ["analyze_sample"]
