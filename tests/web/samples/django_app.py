"""Django: ASGI and WSGI, a streamed response, cookies."""

import snapboot
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path, reverse

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    ROOT_URLCONF=__name__,
    SECRET_KEY="secret",
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    USE_TZ=True,
)


def item(request, name):
    return JsonResponse(
        {
            "name": name,
            "tags": request.GET.getlist("tag"),
            "url": request.build_absolute_uri(),
            "address": request.META["REMOTE_ADDR"],
        }
    )


def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "size": file.size, "field": request.POST["field"]})


def stream(request):
    return StreamingHttpResponse((f"{number}\n" for number in range(3)), content_type="text/plain")


def cookies(request):
    response = HttpResponse(f"session {request.COOKIES.get('session')}", content_type="text/plain")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def links(request):
    return HttpResponse(reverse("links"), content_type="text/plain")


urlpatterns = [
    path("items/<path:name>", item),
    path("upload", upload),
    path("stream", stream),
    path("cookies", cookies),
    path("links", links, name="links"),
]
handler = snapboot.wsgi(get_wsgi_application())
streaming = snapboot.wsgi(get_wsgi_application(), stream=True)
by_asgi = snapboot.asgi(get_asgi_application())
