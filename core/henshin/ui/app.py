"""The server of the page: its files and its HTTP API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from henshin import __version__
from henshin.engine import RunOptions, RunRequest
from henshin.errors import HenshinError, PictureError
from henshin.files import data_folder
from henshin.models import ModelStore
from henshin.pipeline import Pipeline, find, load
from henshin.registry import Registry
from henshin.ui.forms import Form, form_of, overrides_of
from henshin.ui.guard import Guard
from henshin.ui.jobs import Job, JobStore, Limits, RefusedError, preview, zipped

STATIC = Path(__file__).parent / "static"

_FOLLOW = 0.1
"""Seconds between two looks for new events."""


@dataclass(frozen=True)
class Settings:
    """What a server offers: pipelines by name or path, the device, limits, and whom it answers."""

    pipelines: Sequence[str]
    registry: Registry
    device: str = "auto"
    limits: Limits = field(default_factory=Limits)
    guard: Guard = field(default_factory=lambda: Guard(None, None))


class Page:
    """The pipelines that the page offers, loaded when they are asked for, and the jobs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = ModelStore()
        self.jobs = JobStore(settings.limits)
        self.paths = {Path(one).stem: one for one in settings.pipelines}

    def load(self, name: str, overrides: Sequence[str] = ()) -> Pipeline:
        """Return a pipeline that is offered. Errors: RefusedError for another name or wrong options."""
        if name not in self.paths:
            raise RefusedError(404, f"there is no pipeline '{name[:80]}'")
        try:
            return load(self.paths[name], self.settings.registry, self.store, overrides)
        except HenshinError as error:
            raise RefusedError(400, str(error)) from error

    def form(self, name: str) -> Form:
        """Return the form of a pipeline. Errors: RefusedError."""
        return form_of(self.load(name), self.store)

    def request(self, job: Job, pipeline: Pipeline) -> RunRequest:
        """Return the run of a job."""
        inputs = [] if pipeline.source is not None else [job.inputs]
        options = RunOptions(device=self.settings.device, on_existing="overwrite")
        return RunRequest(pipeline, inputs, job.outputs, options, self.store, self.settings.registry, cancel=job.cancel)


FIRST = "selfie2anime"
"""The pipeline that is chosen at first."""


def packaged_pipelines() -> list[str]:
    """Return the names of the packaged pipelines, the main one first."""
    names = (file.stem for file in data_folder("pipelines").glob("*.yaml"))
    return sorted(names, key=lambda name: (name != FIRST, name))


def offered(pipeline: str | None) -> list[str]:
    """Return the pipelines to offer: the named one first. Errors: HenshinError when there is none of this name."""
    if pipeline is None:
        return packaged_pipelines()
    first = str(find(pipeline))
    return [first, *(name for name in packaged_pipelines() if name != Path(first).stem)]


def create_app(settings: Settings) -> FastAPI:
    """Return the server."""
    page = Page(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(page.jobs))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.to_thread(page.jobs.close)

    app = FastAPI(
        title="henshin",
        version=__version__,
        description="Photos in, a pipeline, results out. One job holds the photos of one run.",
        docs_url=None,  # these pages are fetched from another host
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.page = page
    app.middleware("http")(settings.guard)
    app.exception_handler(RefusedError)(_refused)
    app.mount("/static", StaticFiles(directory=STATIC), "static")
    _add_pages(app)
    _add_pipelines(app, page)
    _add_jobs(app, page)
    _add_results(app, page)
    return app


async def _sweep(jobs: JobStore) -> None:
    while True:
        await asyncio.sleep(min(60.0, jobs.limits.seconds))
        await asyncio.to_thread(jobs.sweep)


async def _refused(_: Request, error: Any) -> JSONResponse:
    return JSONResponse({"error": error.reason}, error.status)


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/api/examples", summary="Names of the example photos")
    def examples() -> list[str]:
        return sorted(file.name for file in data_folder("examples").glob("*.jpg"))

    @app.get("/api/examples/{name}", summary="An example photo", response_class=FileResponse)
    def example(name: str) -> FileResponse:
        if name not in examples():
            raise RefusedError(404, f"there is no example '{name[:80]}'")
        return FileResponse(data_folder("examples") / name)


def _add_pipelines(app: FastAPI, page: Page) -> None:
    @app.get("/api/pipelines", summary="The pipelines that can be run, the first one by default")
    def pipelines() -> dict[str, Any]:
        limits = page.settings.limits
        return {"pipelines": list(page.paths), "photo_bytes": limits.photo_bytes, "photos": limits.photos}

    @app.get("/api/pipelines/{name}", summary="A pipeline: its stages with their options, and its models with licences")
    def pipeline(name: str) -> dict[str, Any]:
        return page.form(name).as_dict()


def _add_jobs(app: FastAPI, page: Page) -> None:
    @app.post("/api/jobs", status_code=201, summary="Begin a job, without photos yet")
    def new_job() -> dict[str, str]:
        return {"id": page.jobs.new().id}

    @app.put("/api/jobs/{job_id}/photos", status_code=201, summary="Send a photo: its bytes are the body")
    async def add_photo(job_id: str, request: Request, name: Annotated[str, Query()] = "photo") -> dict[str, Any]:
        job = page.jobs.get(job_id)
        part = job.inputs / f".part-{id(request)}"
        try:
            await _receive(request, part, page.settings.limits.photo_bytes)
            photo = await asyncio.to_thread(page.jobs.add_photo, job, name, part)
        finally:
            part.unlink(missing_ok=True)
        return {"number": photo.number, "name": photo.name}

    @app.post("/api/jobs/{job_id}/run", status_code=202, summary="Run a pipeline over the photos of a job")
    def run_job(
        job_id: str,
        pipeline: Annotated[str, Body()],
        options: Annotated[dict[str, dict[str, Any]] | None, Body()] = None,
    ) -> dict[str, str]:
        job = page.jobs.get(job_id)
        form = page.form(pipeline)
        try:
            overrides = overrides_of(form, options or {})
        except HenshinError as error:
            raise RefusedError(400, str(error)) from error
        loaded = page.load(pipeline, overrides)
        if form.takes_photos and not job.photos:
            raise RefusedError(400, "there are no photos yet")
        job.pipeline = pipeline
        page.jobs.start(job, lambda one: page.request(one, loaded))
        return {"state": job.state}

    @app.get("/api/jobs/{job_id}", summary="The state of a job, its photos, and everything that happened")
    def show_job(job_id: str) -> dict[str, Any]:
        job = page.jobs.get(job_id)
        photos = [{"number": photo.number, "name": photo.name} for photo in job.photos]
        return {"id": job.id, "state": job.state, "pipeline": job.pipeline, "photos": photos, "events": job.events}

    @app.get("/api/jobs/{job_id}/events", summary="What happens, as server-sent events, until the run ends")
    async def follow(job_id: str) -> StreamingResponse:
        return StreamingResponse(_events(page.jobs.get(job_id)), media_type="text/event-stream")

    @app.post("/api/jobs/{job_id}/cancel", summary="End the run after the pictures that have begun")
    def cancel(job_id: str) -> dict[str, str]:
        job = page.jobs.get(job_id)
        job.cancel.set()
        return {"state": job.state}

    @app.delete("/api/jobs/{job_id}", status_code=204, summary="Cancel a job, and remove its photos and results")
    def remove(job_id: str) -> None:
        page.jobs.get(job_id)
        page.jobs.remove(job_id)


def _add_results(app: FastAPI, page: Page) -> None:
    @app.get("/api/jobs/{job_id}/photos/{number}", summary="A photo as JPEG, to be shown", response_class=Response)
    def show_photo(job_id: str, number: int) -> Response:
        photos = page.jobs.get(job_id).photos
        if not 1 <= number <= len(photos):
            raise RefusedError(404, f"there is no photo {number}")
        return _jpeg(photos[number - 1].path)

    @app.get("/api/jobs/{job_id}/shown/{name}", summary="A result as JPEG, to be shown", response_class=Response)
    def show_result(job_id: str, name: str) -> Response:
        return _jpeg(page.jobs.get(job_id).result(name))

    @app.get("/api/jobs/{job_id}/results/{name}", summary="The file of a result", response_class=FileResponse)
    def result(job_id: str, name: str) -> FileResponse:
        return FileResponse(page.jobs.get(job_id).result(name), filename=name)

    @app.get("/api/jobs/{job_id}/zip", summary="All results in a zip file", response_class=FileResponse)
    def archive(job_id: str) -> FileResponse:
        job = page.jobs.get(job_id)
        if not job.results():
            raise RefusedError(404, "there are no results yet")
        return FileResponse(zipped(job), filename=f"{job.pipeline or 'results'}.zip")


def _jpeg(path: Path) -> Response:
    try:
        return Response(preview(path), media_type="image/jpeg")
    except PictureError as error:
        raise RefusedError(415, error.reason) from error


async def _receive(request: Request, part: Path, most: int) -> None:
    """Write the body of a request into a file, as it comes. Errors: RefusedError if it is empty or too large."""
    declared = request.headers.get("content-length", "0")
    too_large = RefusedError(413, f"a photo may have at most {most / (1 << 20):.0f} MB")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    size = 0
    with part.open("wb") as file:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise too_large
            file.write(piece)
    if not size:
        raise RefusedError(400, "the file is empty")


async def _events(job: Job) -> AsyncIterator[str]:
    seen = 0
    while True:
        over = job.is_over
        for event in job.events[seen:]:
            seen += 1
            yield f"data: {json.dumps(event)}\n\n"
        if over and seen >= len(job.events):
            return
        await asyncio.sleep(_FOLLOW)
